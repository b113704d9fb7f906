/** They moved to contracts/bytes.ts; branches under way still import them from here. */
export { ByteReader, ByteWriter, FormatError } from '../bytes.ts';
