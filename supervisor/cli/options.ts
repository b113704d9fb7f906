import { Option } from 'commander';

export const defaultConfigFile = '/etc/holdfast/holdfast.yaml';

export const configOption = () =>
  new Option('-c, --config <file>', 'configuration of this host').default(defaultConfigFile);
