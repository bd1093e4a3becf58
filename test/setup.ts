/**
 * Runs before every test file: decorators find their metadata registry, and a run against another NestJS makes sure
 * that it has got the one it asked for.
 */
import 'reflect-metadata';

const wanted = process.env['AQ_NEST'];

if (wanted !== undefined) {
  const { default: manifest } = await import('@nestjs/common/package.json', { with: { type: 'json' } });
  if (manifest.version.split('.')[0] !== wanted) {
    throw new Error(`AQ_NEST=${wanted}, but the tests load NestJS ${manifest.version}.`);
  }
}
