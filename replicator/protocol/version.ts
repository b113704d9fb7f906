/**
 * The replication protocol that this release speaks. Both ends must speak the same one; a change of any message
 * raises it and adds a row to the history in PROTOCOL.md.
 */
export const protocolVersion = 1;

/** The SSH subsystem under which it runs. */
export const subsystemName = 'holdfast-replication';
