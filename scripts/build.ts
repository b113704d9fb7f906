/**
 * Bundles each process into one file under dist/: a start that reads one file instead of hundreds is what keeps a
 * failover short. The SSH crypto addon is copied beside the bundles; etcd3 reads its .proto files from its package
 * folder at run time, so it stays outside of the bundle, as do the libraries with prebuilt binaries.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { execa } from 'execa';
import { requirePatchedSsh2 } from '../sftp-node/ssh-library.ts';

/** Loaded from node_modules at run time, since they bring files or binaries of their own. */
export const externalPackages = ['etcd3', '@node-rs/argon2', 'pino-pretty'];

const entryPoints = {
  supervisor: 'supervisor/main.ts',
  'sftp-node': 'sftp-node/main.ts',
  replicator: 'replicator/main.ts',
  holdfast: 'supervisor/cli/main.ts',
  'command-thread': 'supervisor/adapters/process/command-thread-main.ts',
  'engine-thread': 'replicator/thread/thread-main.ts',
  'quarantine-thread': 'replicator/quarantine/thread-main.ts',
  'file-checks': 'supervisor/health/file-checks-main.ts',
};

/** What no program in TypeScript can do: to be ended by the kernel at a time. */
const deadlineExec = 'supervisor/adapters/kernel/deadline-exec.c';

const common = {
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: 'linked',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
} satisfies BuildOptions;

/** ssh2's agents for tunnelling HTTP load Node's http, https and tls with them: 15 ms of a start that need none. */
const withoutHttpAgents: Plugin = {
  name: 'without-http-agents',
  setup({ onLoad }) {
    onLoad({ filter: /ssh2\/lib\/http-agents\.js$/ }, () => ({
      contents: 'module.exports = {};',
      loader: 'js',
    }));
  },
};

/** Also for tests of a checkout that was not built yet. */
export async function buildDeadlineExec(): Promise<void> {
  const cwd = join(import.meta.dirname, '..');
  await mkdir(join(cwd, 'dist'), { recursive: true });
  await execa('cc', ['-O2', '-Wall', '-Wextra', '-o', 'dist/deadline-exec', deadlineExec], { cwd });
}

async function main(): Promise<void> {
  requirePatchedSsh2();
  await rm('dist', { recursive: true, force: true });
  await build({
    ...common,
    entryPoints,
    splitting: true,
    loader: { '.node': 'copy' },
    plugins: [withoutHttpAgents],
    external: [...externalPackages, 'cpu-features'],
    // CommonJS packages inside an ES module bundle still use what Node gives to CommonJS modules.
    banner: {
      js: [
        "import { createRequire as holdfastCreateRequire } from 'node:module';",
        'const require = holdfastCreateRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;',
      ].join(' '),
    },
  });
  await buildDeadlineExec();
  // One file of its own, without packages: nobody serves while it loads.
  await build({ ...common, entryPoints: { release: 'supervisor/release/main.ts' }, packages: 'external' });
}

if (import.meta.main) await main();
