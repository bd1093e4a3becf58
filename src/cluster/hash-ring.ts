/**
 * A consistent-hash ring: where a shard would rather be. When a node joins or leaves, few preferences change. Only the
 * master of a group asks it, so no other program needs to find the same.
 */

/** Points of one node on the ring: enough that the shares of a few nodes are alike. */
const POINTS_PER_NODE = 64;

export class HashRing {
  private readonly points: readonly { readonly at: number; readonly node: string }[];

  constructor(nodes: readonly string[]) {
    this.points = nodes
      .flatMap((node) => Array.from({ length: POINTS_PER_NODE }, (_, k) => ({ at: hash32(`${node}#${k}`), node })))
      .sort((a, b) => a.at - b.at || (a.node < b.node ? -1 : 1));
  }

  /** The first node at or after the slice's own point; undefined on an empty ring. */
  nodeOf(slice: number): string | undefined {
    const { points } = this;
    const at = hash32(`slice ${slice}`);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle]?.at ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return (points[low] ?? points[0])?.node;
  }
}

/** FNV-1a over UTF-16 code units, with the last mix of MurmurHash3: names that differ in one digit land far apart. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
