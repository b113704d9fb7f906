const afterMs = 1000;
const everyMs = 1000;

/** Terminals have it on one line, which is gone when it is over; logs one line a wait. */
const eraseLine = '\r\x1b[K';

/**
 * Tells on standard error what is waited for, once it takes longer than a second. Programs that read JSON read nothing
 * of it, unless somebody looks on.
 */
export async function whileWaiting<Answer>(
  what: string,
  json: boolean | undefined,
  answer: Promise<Answer>,
): Promise<Answer> {
  const { stderr } = process;
  if (json === true && !stderr.isTTY) return answer;
  const startedMs = performance.now();
  let told = false;
  const tell = () => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    if (stderr.isTTY) stderr.write(`${eraseLine}${what} ... ${seconds} s`);
    else if (!told) stderr.write(`${what} ...\n`);
    told = true;
  };
  let repeat: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    tell();
    repeat = setInterval(tell, everyMs);
  }, afterMs);
  try {
    return await answer;
  } finally {
    clearTimeout(first);
    clearInterval(repeat);
    if (told && stderr.isTTY) stderr.write(eraseLine);
  }
}
