/** The certificates of the TLS tests; `certificates/make.sh` made them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of one of them, such as `ca.crt`. */
export function certificatePath(file) {
  return fileURLToPath(new URL(`certificates/${file}`, import.meta.url));
}

export function certificate(file) {
  return readFileSync(certificatePath(file), 'utf8');
}
