/** The wall clock, for what people read: dates in listings. Never for elapsed time. */
export function wallTimeMs(): number {
  return Date.now();
}
