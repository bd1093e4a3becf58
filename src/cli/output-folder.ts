/**
 * Puts generated files where the user wants them. Only what differs is written, each file whole or not at all; what is not
 * known as generated is never replaced or removed, and links are not followed.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { GenerateMode } from '../contracts/codegen/generate.js';
import type { GeneratedFile } from '../contracts/codegen/generated-file.js';
import { isGenerated } from '../contracts/codegen/header.js';
import { SCHEMA_COMMENT } from '../contracts/codegen/json-files.js';
import { readSnapshot } from '../contracts/read-record.js';
import { NotDoneError, UsageError } from './console-io.js';

export interface OutputPlan {
  readonly folder: string;
  readonly written: readonly GeneratedFile[];
  /** Generated files that are no longer made. */
  readonly removed: readonly string[];
  readonly unchanged: number;
}

/**
 * What has to be done so that `output` holds `files`. `output` is a folder for classes; for one file it may be the file
 * itself, or an existing folder, or a name that ends with a slash or has no ending.
 * @throws UsageError when the place cannot be used; NotDoneError when a file of somebody else is in the way.
 */
export function planOutput(
  files: readonly GeneratedFile[],
  mode: GenerateMode,
  cwd: string,
  output: string,
): OutputPlan {
  const { folder, named } = placeOf(files, mode, cwd, output);
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isDirectory()) throw new UsageError(`${folder} is not a folder.`);
  const written: GeneratedFile[] = [];
  for (const file of named) {
    const path = join(folder, file.path);
    // Paths are made of safe names; this is the second lock on the same door.
    if (dirname(path) !== folder || basename(path) !== file.path) throw new Error(`${file.path} is not a file name.`);
    const text = textAt(path);
    // Version control may have changed the ends of lines.
    if (text?.replaceAll('\r\n', '\n') === file.text) continue;
    if (text !== undefined && !isOurs(text, mode)) {
      throw new NotDoneError(
        `${path} is not a generated file, and stays as it is. Choose another folder with -o, or move it away.`,
      );
    }
    written.push(file);
  }
  const wanted = new Set(named.map(({ path }) => path));
  const removed = mode === 'classes' && stats !== undefined ? staleFiles(folder, wanted) : [];
  return { folder, written, removed, unchanged: named.length - written.length };
}

export function carryOut({ folder, written, removed }: OutputPlan): void {
  if (written.length > 0) mkdirSync(folder, { recursive: true });
  for (const { path, text } of written) {
    const draft = join(folder, `.${path}.${process.pid}.tmp`);
    try {
      writeFileSync(draft, text, { flag: 'wx' });
      renameSync(draft, join(folder, path));
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  }
  for (const path of removed) rmSync(join(folder, path));
}

function placeOf(files: readonly GeneratedFile[], mode: GenerateMode, cwd: string, output: string) {
  const path = resolve(cwd, output);
  const [only] = files;
  if (mode === 'classes' || only === undefined) {
    if (/\.[cm]?ts$/.test(output)) throw new UsageError('--classes makes several files: name a folder with -o.');
    return { folder: path, named: files };
  }
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isFolder || /[\\/]$/.test(output) || extname(path) === '') return { folder: path, named: files };
  return { folder: dirname(path), named: [{ ...only, path: basename(path) }] };
}

function textAt(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile()) throw new NotDoneError(`${path} is not a plain file, and stays as it is.`);
  return readFileSync(path, 'utf8');
}

/** Whether a file was made by this mode, so that it may be replaced. */
function isOurs(text: string, mode: GenerateMode): boolean {
  if (text.trim() === '' || isGenerated(text)) return true;
  if (mode === 'json-schema') return text.includes(`"$comment": ${JSON.stringify(SCHEMA_COMMENT)}`);
  // A snapshot of another version is one as well.
  if (mode !== 'snapshot') return false;
  const read = readSnapshot(text);
  return typeof read !== 'string' || read.startsWith('is of format');
}

function staleFiles(folder: string, wanted: ReadonlySet<string>): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !wanted.has(entry.name))
    .map(({ name }) => name)
    .filter((name) => existsSync(join(folder, name)) && isGenerated(readFileSync(join(folder, name), 'utf8')))
    .sort();
}
