/** From the configuration to what the nodes of a cluster share; undefined when the node is alone. */
import type { ResolvedConfig } from '../runtime/config.js';
import type { Logger } from '../runtime/logger.js';
import type { Runtime } from '../runtime/runtime.js';
import type { SharedParts } from './node.js';

export function openShared(config: ResolvedConfig, _runtime: Runtime, _logger: Logger): SharedParts | undefined {
  if (config.redis === undefined) return undefined;
  throw new Error('unfinished');
}
