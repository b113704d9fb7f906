import { availableParallelism, loadavg } from 'node:os';
import { mem } from 'systeminformation';
import type { HealthFact } from '../../runtime/ports.ts';

export async function memoryFact(): Promise<HealthFact> {
  const { available, total } = await mem();
  const percent = Math.round((available / total) * 100);
  const detail = `${percent} % available`;
  return percent < 5
    ? { name: 'memory', level: 'warn', code: 'MEMORY_LOW', detail }
    : { name: 'memory', level: 'ok', code: '', detail };
}

/** From the kernel's own average: the library's function for the load runs a shell, and waits for it, each time. */
export function loadFact(): HealthFact {
  const [lastMinute = 0] = loadavg();
  return {
    name: 'load',
    level: 'ok',
    code: '',
    detail: `load average ${lastMinute.toFixed(2)} on ${availableParallelism()} cores`,
  };
}
