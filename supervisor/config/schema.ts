import { isAbsolute } from 'node:path';
import { validate as isCronExpression } from 'node-cron';
import * as z from 'zod';
import { nodeIdSchema } from '#contracts/identities.ts';
import { ipAddressSchema, type VipAddress, vipAddressSchema } from './addresses.ts';
import { durationSchema } from './duration.ts';
import { sizeOrShareSchema, sizeSchema } from './size.ts';
import { checkTiming, longestVipCommandMs } from './timing.ts';

/**
 * `holdfast.yaml`, one file per host. Each field says in `description` what it is and in `example` what to write:
 * `holdfast config check` and docs/configuration.md (generated) read the same words.
 */

const pathSchema = z.string().refine(isAbsolute, 'is not an absolute path');
const portSchema = z.int().min(1).max(65_535);

/** `start:rate:full`. */
const startupsSchema = z
  .string()
  .regex(/^\d{1,4}:\d{1,3}:\d{1,4}$/, 'is not start:rate:full')
  .transform((text) => {
    const [begin = 0, ratePercent = 0, full = 0] = text.split(':').map(Number);
    return { begin, ratePercent, full };
  })
  .refine(({ begin, full }) => begin <= full && full >= 1 && full <= 1000, 'needs start <= full <= 1000')
  .refine(({ ratePercent }) => ratePercent >= 1 && ratePercent <= 100, 'needs a rate from 1 to 100');

const node = z.strictObject({
  id: nodeIdSchema.meta({ description: 'Name of this host, unique in the cluster', example: 'host-a' }),
  priority: z.int().min(1).max(1000).default(100).meta({
    description: 'Among equally up-to-date standbys the highest takes over',
    example: 100,
  }),
  noFailover: z.boolean().default(false).meta({
    description: 'Never let this host lead by itself',
    example: false,
  }),
});

const etcdTls = z.strictObject({
  ca: pathSchema.meta({ description: 'Certificate authority, PEM', example: '/etc/holdfast/etcd-ca.crt' }),
  cert: pathSchema
    .optional()
    .meta({ description: 'Client certificate, PEM', example: '/etc/holdfast/etcd.crt' }),
  key: pathSchema
    .optional()
    .meta({ description: 'Client key, PEM, mode 0600', example: '/etc/holdfast/etcd.key' }),
});

const etcd = z.strictObject({
  endpoints: z
    .array(
      z
        .url({ protocol: /^https?$/, error: 'is not an http:// or https:// address' })
        .meta({ description: 'Client address of one etcd member', example: 'http://10.0.0.11:2379' }),
    )
    .min(1)
    .max(16)
    .meta({
      description: 'All members of the etcd cluster; the nearest first',
      example: ['http://10.0.0.11:2379', 'http://10.0.0.12:2379', 'http://10.0.0.13:2379'],
    }),
  username: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ description: 'User of etcd, where it asks for one', example: 'holdfast' }),
  passwordFile: pathSchema.optional().meta({
    description: 'File with the password of that user, mode 0600',
    example: '/etc/holdfast/etcd-password',
  }),
  moveLeader: z.boolean().default(false).meta({
    description:
      "Keep etcd's own leadership off the host that leads, whose death is over sooner then. Only where nobody else uses this etcd: the leader of all of it is moved",
    example: true,
  }),
  tls: etcdTls
    .optional()
    .meta({ description: 'Needed for https endpoints', example: { ca: '/etc/holdfast/etcd-ca.crt' } }),
});

const lease = z.strictObject({
  ttl: durationSchema
    .default(3000)
    .meta({ description: 'How long leadership outlives its holder; whole seconds', example: '3s' }),
  renewEvery: durationSchema
    .default(500)
    .meta({ description: 'Time between two renewals', example: '500ms' }),
  margin: durationSchema.default(500).meta({
    description:
      'How long before the lease ends the leader has stopped: worst emergency stop plus clock drift',
    example: '500ms',
  }),
});

/** An address that the kernel has, with a lifetime. */
export interface KernelVipConfig {
  readonly address: VipAddress;
  readonly interface: string;
}

/** An address that an executable of the sysadmin's moves: in a cloud, by BGP. docs/virtual-ips.md has its contract. */
export interface CommandVipConfig {
  readonly address: VipAddress;
  readonly command: string;
  readonly timeoutMs: number;
}

const vipEntry = z.strictObject({
  address: vipAddressSchema.meta({
    description: 'The address that clients connect to, IPv4 or IPv6, with its prefix length',
    example: '10.0.0.100/24',
  }),
  interface: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,15}$/, 'is not the name of a network interface')
    .optional()
    .meta({ description: 'The interface of this host that carries it', example: 'eth0' }),
  command: pathSchema.optional().meta({
    description:
      'Instead of `interface`: the executable that moves it, in a cloud or by BGP; see [virtual-ips.md](virtual-ips.md)',
    example: '/etc/holdfast/move-address',
  }),
  timeout: durationSchema.optional().meta({
    description: 'A call of `command` that takes longer is killed; must fit the lease',
    example: '2s',
  }),
});

const defaultVipTimeoutMs = 2000;
/** Three tries to take an address off must fit in the 30 s that systemd waits for a stop. */
const vipTimeoutLimitMs = 8000;

const vip = vipEntry
  .superRefine(checkVipKind)
  .transform(({ address, interface: name, command, timeout }): KernelVipConfig | CommandVipConfig =>
    command === undefined
      ? { address, interface: name ?? '' }
      : { address, command, timeoutMs: timeout ?? defaultVipTimeoutMs },
  );

const sftp = z.strictObject({
  listen: ipAddressSchema
    .default('::')
    .meta({ description: 'Address to listen on; `::` is all, IPv4 too', example: '::' }),
  port: portSchema.default(2222).meta({ description: 'TCP port of the SFTP service', example: 2222 }),
  maxStartups: startupsSchema.default({ begin: 100, ratePercent: 30, full: 200 }).meta({
    description:
      "As OpenSSH's start:rate:full, of connections that have not logged in: from `start` on newcomers are dropped, `rate` of a hundred at first and all at `full`",
    example: '100:30:200',
  }),
  perSourceMaxStartups: z.int().min(1).max(1000).default(10).meta({
    description: 'How many of them one source may have: an IPv4 address, or the /64 of an IPv6 address',
    example: 10,
  }),
  keptStartups: z.int().min(0).max(500).default(20).meta({
    description: 'As many more for sources that logged in within the last week, and for this host itself',
    example: 20,
  }),
  clientAliveInterval: durationSchema.default(0).meta({
    description: "As OpenSSH's: a client that is silent for so long is sent an SSH ping; 0s: never",
    example: '0s',
  }),
  clientAliveCountMax: z.int().min(1).max(100).default(3).meta({
    description: "As OpenSSH's: a client that answers none of so many pings is let go",
    example: 3,
  }),
});

const dayMs = 86_400_000;

const quarantine = z.strictObject({
  maxBytes: sizeOrShareSchema.default({ share: 0.1 }).meta({
    description:
      'What takes more is removed, the oldest first, but nothing of the last 24 hours (MiB, GiB, TiB, or % of the file system); see [quarantine.md](quarantine.md)',
    example: '10%',
  }),
  maxAge: durationSchema
    .refine((ms) => ms >= dayMs && ms <= 3650 * dayMs, 'must be from 1d to 3650d')
    .default(90 * dayMs)
    .meta({ description: 'What was set aside longer ago is removed', example: '90d' }),
});

const replication = z.strictObject({
  mode: z.enum(['sync', 'async', 'shared']).default('sync').meta({
    description: 'sync: acknowledged means on a standby too; async: standbys may lag; shared: shared storage',
    example: 'sync',
  }),
  address: ipAddressSchema.meta({
    description: 'Address at which the peers reach this host',
    example: '10.0.0.11',
  }),
  port: portSchema.default(7420).meta({ description: 'TCP port of the replicator', example: 7420 }),
  syncTimeout: durationSchema.default(2000).meta({
    description: 'A standby that has not acknowledged for this long leaves the in-sync set',
    example: '2s',
  }),
  resyncRate: sizeSchema.prefault('200MiB').meta({
    description:
      'What this host, while it leads, reads at most in a second for each standby that compares or fetches files; changes of clients are not held up by it',
    example: '200MiB',
  }),
  strict: z.boolean().default(false).meta({
    description: 'Refuse writes rather than acknowledge them without any standby',
    example: false,
  }),
  scrub: z
    .string()
    .refine((expression) => isCronExpression(expression), 'is not a cron expression')
    .default('17 3 * * *')
    .meta({
      description:
        'When all hosts are to be compared in full (cron). This release does not do it: see the limits in the README',
      example: '17 3 * * *',
    }),
  maxRemovalShare: z.int().min(0).max(100).default(20).meta({
    description:
      'A comparison that would take away more than this share of the files of a host, in percent (and more than 100 files), waits for `holdfast replication accept-removal`',
    example: 20,
  }),
  quarantine: quarantine.prefault({}).meta({ description: 'What only this host had, and was set aside' }),
});

const paths = z.strictObject({
  config: pathSchema.default('/var/lib/holdfast/config').meta({
    description: 'Replicated configuration: users.yaml, host_keys/',
    example: '/var/lib/holdfast/config',
  }),
  data: pathSchema.default('/var/lib/holdfast/data').meta({
    description: 'Files of the users (files/) and what was set aside (quarantine/)',
    example: '/srv/holdfast',
  }),
  state: pathSchema
    .default('/var/lib/holdfast/state')
    .meta({ description: 'What this host alone knows: peer key, epoch', example: '/var/lib/holdfast/state' }),
  run: pathSchema
    .default('/run/holdfast')
    .meta({ description: 'Sockets; emptied at boot', example: '/run/holdfast' }),
});

const health = z.strictObject({
  minFreeMiB: z
    .int()
    .min(0)
    .default(64)
    .meta({ description: 'A root with less free space makes a standby ineligible', example: 64 }),
});

const watchdog = z.strictObject({
  mode: z.enum(['off', 'automatic', 'required']).default('off').meta({
    description:
      'A watchdog timer that resets this machine if it hangs while it leads: `automatic` if it can be used, `required` or this host does not lead',
    example: 'automatic',
  }),
  device: pathSchema.default('/dev/watchdog').meta({
    description: 'Its device, for which docs/watchdog.md says how to give access',
    example: '/dev/watchdog',
  }),
});

export const configSchema = z
  .strictObject({
    cluster: nodeIdSchema.meta({
      description: 'Name of the cluster, equal on all hosts',
      example: 'sftp-prod',
    }),
    node: node.meta({ description: 'This host' }),
    etcd: etcd.superRefine(checkTls).meta({ description: 'The etcd cluster that keeps the leader lease' }),
    lease: lease.superRefine(checkTiming).prefault({}).meta({ description: 'Timing of leadership' }),
    vips: z
      .array(vip)
      .min(1)
      .max(16)
      .meta({
        description: 'Virtual addresses, on the leader alone',
        example: [{ address: '10.0.0.100/24', interface: 'eth0' }],
      }),
    sftp: sftp.prefault({}).meta({ description: 'The SFTP service' }),
    replication: replication.meta({ description: 'How files reach the standbys' }),
    paths: paths.prefault({}).meta({ description: 'Where things are' }),
    health: health.prefault({}).meta({ description: 'What makes a host unfit to lead' }),
    watchdog: watchdog.prefault({}).meta({ description: 'The watchdog timer of this machine' }),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error'])
          .default('info')
          .meta({ description: 'Least level that is logged', example: 'info' }),
      })
      .prefault({})
      .meta({ description: 'Logging' }),
  })
  .superRefine(checkVips)
  .superRefine(checkVipTimeouts);

export type Config = z.infer<typeof configSchema>;

export function kernelVipsOf({ vips }: Pick<Config, 'vips'>): KernelVipConfig[] {
  return vips.filter((entry) => 'interface' in entry);
}

export function commandVipsOf({ vips }: Pick<Config, 'vips'>): CommandVipConfig[] {
  return vips.filter((entry) => 'command' in entry);
}

function checkTls(etcdConfig: z.infer<typeof etcd>, context: z.RefinementCtx): void {
  const { tls, endpoints, username, passwordFile } = etcdConfig;
  if ((username === undefined) !== (passwordFile === undefined)) {
    context.addIssue({
      code: 'custom',
      path: [],
      message: 'has only one of username and passwordFile; give both or none',
    });
  }
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined)) {
    context.addIssue({
      code: 'custom',
      path: ['tls'],
      message: 'has only one of cert and key; give both or none',
    });
  }
  if (tls === undefined && endpoints.some((endpoint) => endpoint.startsWith('https:'))) {
    context.addIssue({
      code: 'custom',
      path: ['tls'],
      message: 'is missing, but an endpoint is https',
    });
  }
}

function checkVips(
  config: { vips: readonly { address: VipAddress }[]; replication: { address: string } },
  context: z.RefinementCtx,
): void {
  const seen = new Set<string>();
  for (const [index, { address }] of config.vips.entries()) {
    if (seen.has(address.address)) {
      context.addIssue({
        code: 'custom',
        path: ['vips', index, 'address'],
        message: `${address.address} stands twice`,
      });
    }
    if (address.address === config.replication.address) {
      context.addIssue({
        code: 'custom',
        path: ['replication', 'address'],
        message: `is the virtual IP ${address.address}; peers need an address that stays on this host`,
      });
    }
    seen.add(address.address);
  }
}

function checkVipKind(entry: z.infer<typeof vipEntry>, context: z.RefinementCtx): void {
  const complain = (field: keyof typeof entry, message: string) =>
    context.addIssue({ code: 'custom', path: [field], message });
  if (entry.interface !== undefined && entry.command !== undefined) {
    complain(
      'command',
      'stands beside interface; give one: interface for the kernel, command for your executable',
    );
  }
  if (entry.interface === undefined && entry.command === undefined) {
    complain('interface', 'is missing, and so is command; give one of them');
  }
  if (entry.command === undefined && entry.timeout !== undefined) {
    complain('timeout', 'is for an address with a command: the kernel needs none');
  }
}

/** A call must be over, or killed, while the lease lasts: another host may lead when it has ended. */
function checkVipTimeouts(
  { vips, lease: timing }: { vips: z.infer<typeof vip>[]; lease: z.infer<typeof lease> },
  context: z.RefinementCtx,
): void {
  const longestMs = longestVipCommandMs(timing);
  for (const [index, entry] of vips.entries()) {
    if (!('command' in entry)) continue;
    const { timeoutMs } = entry;
    const complain = (message: string) =>
      context.addIssue({ code: 'custom', path: ['vips', index, 'timeout'], message });
    if (timeoutMs < 500 || timeoutMs > vipTimeoutLimitMs) {
      complain(`must be from 500ms to ${vipTimeoutLimitMs / 1000}s`);
    } else if (timeoutMs > longestMs) {
      const wanted = Math.ceil((timeoutMs + timing.margin + timing.renewEvery) / 1000);
      complain(
        `of ${timeoutMs}ms must be at most ${longestMs}ms (lease.ttl - lease.margin - lease.renewEvery), so that no call outlasts the lease; or set lease.ttl: ${wanted}s`,
      );
    }
  }
}
