import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import ssh2 from 'ssh2';

/** What ssh2's client has inside: to send what its public methods would not. */
interface Wire {
  _handlers: Record<string, (...rest: unknown[]) => void>;
  service(name: string): void;
  authNone(user: string): void;
  authPassword(user: string, password: string, newPassword?: string): void;
  authPK(
    user: string,
    key: ssh2.ParsedKey,
    algorithm?: string,
    sign?: (blob: Buffer, done: (signature: Buffer) => void) => void,
  ): void;
}

const payloadHandlers: Record<number, (self: unknown, payload: Buffer) => void> = createRequire(
  import.meta.url,
)('ssh2/lib/protocol/handlers.js');

export type Answer = 'success' | 'failure' | 'key would do' | 'closed';

/** A client that sends one login request after the other, or several at once. */
export class RawLogin {
  readonly #client = new ssh2.Client();
  readonly #waiting: ((answer: Answer) => void)[] = [];
  /** The payload of the last answer that a key would do. */
  keyAnswer: Buffer | null = null;

  static async to(port: number): Promise<RawLogin> {
    const login = new RawLogin();
    const client = login.#client;
    client.on('error', () => {});
    client.on('close', () => {
      while (login.#waiting.length > 0) login.#answer('closed');
    });
    client.connect({ host: '127.0.0.1', port, username: 'unused', readyTimeout: 0 });
    const handlers = login.#wire._handlers;
    await new Promise<void>((resolve) => {
      handlers.SERVICE_ACCEPT = () => resolve();
    });
    handlers.USERAUTH_FAILURE = () => login.#answer('failure');
    handlers.USERAUTH_SUCCESS = () => login.#answer('success');
    handlers.USERAUTH_PK_OK = () => login.#answer('key would do');
    return login;
  }

  /** @returns the answer to what `send` sends */
  request(send: (wire: Wire) => void): Promise<Answer> {
    const answer = new Promise<Answer>((resolve) => this.#waiting.push(resolve));
    send(this.#wire);
    return answer;
  }

  /** Sends what `ask` asks for in one piece, so that the server has all of it before it answers the first. */
  together(ask: () => Promise<Answer>[]): Promise<Answer[]> {
    const { _sock: socket } = this.#client as unknown as { _sock: Socket };
    socket.cork();
    const answers = ask();
    socket.uncork();
    return Promise.all(answers);
  }

  none(user: string): Promise<Answer> {
    return this.request((wire) => wire.authNone(user));
  }

  password(user: string, password: string): Promise<Answer> {
    return this.request((wire) => wire.authPassword(user, password));
  }

  offer(user: string, key: ssh2.ParsedKey, algorithm = key.type as string): Promise<Answer> {
    return this.request((wire) => wire.authPK(user, key, algorithm));
  }

  /** @param sign the signature of the blob; the key's own when left out */
  signed(
    user: string,
    key: ssh2.ParsedKey,
    algorithm = key.type as string,
    sign = (blob: Buffer) => signatureOf(key, blob, algorithm),
  ): Promise<Answer> {
    return this.request((wire) => wire.authPK(user, key, algorithm, (blob, done) => done(sign(blob))));
  }

  /** The algorithm that the server names while it says that a key would do. */
  async algorithmAnswered(user: string, key: ssh2.ParsedKey, algorithm: string): Promise<string> {
    const handle = payloadHandlers[60];
    let payload: Buffer = Buffer.alloc(5);
    payloadHandlers[60] = (self, received) => {
      payload = Buffer.from(received);
      handle?.(self, received);
    };
    await this.offer(user, key, algorithm);
    if (handle !== undefined) payloadHandlers[60] = handle;
    return payload.toString('latin1', 5, 5 + payload.readUInt32BE(1));
  }

  close(): void {
    this.#client.destroy();
  }

  #answer(answer: Answer): void {
    this.#waiting.shift()?.(answer);
  }

  get #wire(): Wire {
    return (this.#client as unknown as { _protocol: Wire })._protocol;
  }
}

export function signatureOf(key: ssh2.ParsedKey, blob: Buffer, algorithm: string): Buffer {
  const namesHash = key.type === 'ssh-rsa' && algorithm.startsWith('rsa-sha2-');
  const digest = namesHash ? `sha${algorithm.slice('rsa-sha2-'.length)}` : undefined;
  const signature: Buffer | Error = (
    key as unknown as { sign(data: Buffer, digest?: string): Buffer | Error }
  ).sign(blob, digest);
  if (signature instanceof Error) throw signature;
  return signature;
}
