/** Writes the parts of docs/ that are made from the code. `--check` only compares, and exits 1 when one is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorTable } from '#contracts/errors.ts';
import { clusterSettingNames } from '../supervisor/config/cluster-settings.ts';
import { jsonSchema } from '../supervisor/config/problems.ts';
import { mermaidDiagram, transitionTable } from '../supervisor/core/leadership/diagram.ts';

const note = '<!-- Made by `npm run docs` from the code. Do not edit. -->\n';

interface Setting {
  properties?: Record<string, Setting>;
  items?: Setting;
  description?: string;
  example?: unknown;
  default?: unknown;
}

function settingRows(setting: Setting, path: string): string[] {
  const { properties, items } = setting;
  if (properties !== undefined) {
    return Object.entries(properties).flatMap(([key, child]) =>
      settingRows(child, path === '' ? key : `${path}.${key}`),
    );
  }
  if (items?.properties !== undefined) return settingRows(items, `${path}[]`);
  const example =
    setting.example === undefined ? '' : `\`${JSON.stringify(setting.example).replaceAll('"', '')}\``;
  return [`| \`${path}\` | ${setting.description ?? ''} | ${example} |`];
}

function configurationPage(): string {
  const rows = settingRows(jsonSchema, '');
  return `# holdfast.yaml\n\n${note}\nOne file per host. \`holdfast config check FILE\` tells what is wrong with one, line by line. Durations are written \`500ms\`, \`3s\`, \`2m\`, \`1h\`. Where the example is also the default, leave the setting out. These must be alike on every host: ${clusterSettingNames.map((name) => `\`${name}\``).join(', ')}; [changing-settings.md](changing-settings.md) says how they are changed.\n\n| Setting | What it is | Example |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function errorsPage(): string {
  const rows = Object.entries(errorTable).map(([code, advice]) => `| \`${code}\` | ${advice} |`);
  return `# Codes\n\n${note}\nEvery error, refusal and change of role carries one of these codes: in the log (\`code\`), in \`holdfast status\`, and on the terminal.\n\n| Code | What to do |\n|---|---|\n${rows.join('\n')}\n`;
}

function rolePage(): string {
  return `# Phases of a supervisor\n\n${note}\n\`holdfast fsm\` prints the same rows.\n\n\`\`\`mermaid\n${mermaidDiagram()}\`\`\`\n\n\`\`\`\n${transitionTable()}\`\`\`\n`;
}

export const generatedPages: Record<string, () => string> = {
  'configuration.md': configurationPage,
  'errors.md': errorsPage,
  'role-machine.md': rolePage,
};

if (import.meta.main) {
  const folder = join(import.meta.dirname, '../docs');
  for (const [name, make] of Object.entries(generatedPages)) {
    if (!process.argv.includes('--check')) writeFileSync(join(folder, name), make());
    else if (readFileSync(join(folder, name), 'utf8') !== make()) {
      process.stderr.write(`docs/${name} is stale: run \`npm run docs\`\n`);
      process.exitCode = 1;
    }
  }
}
