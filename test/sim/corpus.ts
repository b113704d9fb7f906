/**
 * Stories that are lived through with every check: a fixed hundred, and those that once found a defect, of the product or
 * of a planted one. What a seed tells changes with the simulator; that it is the same for everybody does not.
 */
const found = [
  176, // replication messages that overtake each other
  186, // the only host in sync comes back empty
  1189, // a dead leader's switchover stood in the way of a failover
  2024, // settings written twice by one request
  752_921_382, // a pause written again after it was ended, by its own first request
];

export const corpus: readonly number[] = [
  ...new Set([...Array.from({ length: 100 }, (_, index) => index + 1), ...found]),
];
