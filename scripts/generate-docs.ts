/** Writes the parts of docs/ that are made from the code. `--check` only compares, and exits 1 when one is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { errorTable } from '#contracts/errors.ts';
import { type ExitName, exitCodes, exitMeanings } from '../supervisor/cli/exit-codes.ts';
import { plannedCommands, rules } from '../supervisor/cli/grammar.ts';
import { allCommands, fullName, program } from '../supervisor/cli/program.ts';
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
  return `# holdfast.yaml\n\n${note}\nOne file per host. \`holdfast config check FILE\` tells what is wrong with one, line by line. Durations are written \`500ms\`, \`3s\`, \`2m\`, \`1h\`, \`90d\`. Where the example is also the default, leave the setting out. These must be alike on every host: ${clusterSettingNames.map((name) => `\`${name}\``).join(', ')}; [changing-settings.md](changing-settings.md) says how they are changed.\n\n| Setting | What it is | Example |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function errorsPage(): string {
  const rows = Object.entries(errorTable).map(([code, advice]) => `| \`${code}\` | ${advice} |`);
  return `# Codes\n\n${note}\nEvery error, refusal and change of role carries one of these codes: in the log (\`code\`), in \`holdfast status\`, and on the terminal.\n\n| Code | What to do |\n|---|---|\n${rows.join('\n')}\n`;
}

function rolePage(): string {
  return `# Phases of a supervisor\n\n${note}\n\`holdfast fsm\` prints the same rows.\n\n\`\`\`mermaid\n${mermaidDiagram()}\`\`\`\n\n\`\`\`\n${transitionTable()}\`\`\`\n`;
}

function commandsPage(): string {
  const commands = allCommands(program()).filter(({ commands: below }) => below.length === 0);
  const exits = Object.entries(exitCodes).map(
    ([name, code]) => `| ${code} | ${exitMeanings[name as ExitName]} |`,
  );
  const planned = plannedCommands.map(
    ([usage, purpose]) => `| \`${usage.replaceAll('|', '\\|')}\` | ${purpose} |`,
  );
  return `# Commands

${note}
\`holdfast COMMAND --help\` tells the same of one.

## Grammar

${rules.map((rule) => `- ${rule}`).join('\n')}

## Commands

${commands.map(commandSection).join('\n\n')}

## Exit codes

| Code | Meaning |
|---|---|
${exits.join('\n')}

## JSON

Every command takes \`--json\`, and then prints one JSON document on standard output and nothing else there (\`status --watch\`: one a line, every second; \`supervisor\` and \`release\`: log lines). What went wrong is a document there too: \`{"error": {"code", "message", "advice"}}\`, with a code of [errors.md](errors.md). Nobody is asked anything: give \`--yes\`. Standard error is for people: progress of what takes over a second, and warnings of the runtime. The exit code is the same with and without.

\`status --json\` has \`view\` (how old is what etcd told, and whether it answers) and \`outlook\` (what that means: \`verdict\` is \`led\`, \`leaderless\` or \`unknown\`, and \`mayLead\` has \`unknown\` where nobody can tell), and \`resync\`: what the host that is asked lacks of its leader's files, at what pace that comes, and the seconds left for what is known of (null: it lacks nothing). Fields may be added; those that are there stay.

## To come

Decided, so that they fit when they come; not there yet.

| Command | What it does |
|---|---|
${planned.join('\n')}
`;
}

function commandSection(command: Command): string {
  const rows = [
    ...command.registeredArguments.map((argument) => [argument.name(), argument.description]),
    ...command.options
      .filter(({ hidden }) => !hidden)
      .map(({ flags, description, defaultValue }) => [flags, description + defaultOf(defaultValue)]),
  ].map(([flags, description]) => `| \`${flags?.replaceAll('|', '\\|')}\` | ${description} |`);
  const usage = `${fullName(command)} ${command.usage()}`.trim();
  return `### ${fullName(command)}

\`${usage}\`

${sentence(command.description())}

| | |
|---|---|
${rows.join('\n')}`;
}

function defaultOf(value: unknown): string {
  return value === undefined || value === '' || value === true ? '' : ` (default \`${String(value)}\`)`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

export const generatedPages: Record<string, () => string> = {
  'commands.md': commandsPage,
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
