/** A part of the world that notes what is asked of it, as `[method, ...arguments]`, and answers what it is given. */
export function noting<Part>(asked: unknown[][], answers: Partial<Record<keyof Part, unknown>> = {}): Part {
  const given = answers as Record<string, unknown>;
  const part = new Proxy(
    {},
    {
      get:
        (_target, name: string) =>
        (...args: unknown[]) => {
          asked.push([name, ...args]);
          const answer = given[name];
          return typeof answer === 'function' ? answer(...args) : answer;
        },
    },
  );
  return part as Part;
}

export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
