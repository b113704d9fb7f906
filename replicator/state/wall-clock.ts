/** The time of day: for people, in names and reports. Nothing is measured by it. */
export function wallTime(): Date {
  return new Date();
}
