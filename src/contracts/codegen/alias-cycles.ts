/**
 * A type alias may name itself by way of a field or an item, but not directly: `type A = A | null` is an error of the
 * compiler. Such a part of a type says nothing, and becomes `unknown`.
 */
import { type Atom, type Body, type Declaration, type Simple, UNKNOWN, union } from './declaration.js';

/** Replaces the declarations that are part of a direct cycle, in place. */
export function breakAliasCycles(declarations: Declaration[]): void {
  const places = new Map(declarations.map(({ name }, index) => [name, index]));
  const states = new Map<string, 'open' | 'done'>();
  const visit = (name: string): void => {
    const index = places.get(name);
    const declaration = index === undefined ? undefined : declarations[index];
    if (index === undefined || declaration === undefined || states.has(name)) return;
    states.set(name, 'open');
    const direct = directNames(declaration.body);
    for (const next of direct) visit(next);
    if (direct.some((next) => states.get(next) === 'open')) {
      const body = cut(declaration.body, name, (next) => states.get(next) === 'open');
      declarations[index] = { ...declaration, body };
    }
    states.set(name, 'done');
  };
  for (const { name } of [...declarations]) visit(name);
}

function directNames(body: Body): string[] {
  return directParts(body).flatMap((part) => (part.kind === 'ref' ? [part.name] : []));
}

function directParts(body: Body): readonly Simple[] {
  if (body.kind === 'intersection') return body.members;
  if (body.kind !== 'alias') return [];
  return body.type.kind === 'union' ? body.type.members : [body.type];
}

function cut(body: Body, name: string, isOpen: (name: string) => boolean): Body {
  if (body.kind !== 'alias' && body.kind !== 'intersection') return body;
  // Of a union that names itself nothing is lost without that.
  const others = directParts(body).filter((part) => part.kind !== 'ref' || part.name !== name);
  const kept = others.map((part) => (part.kind === 'ref' && isOpen(part.name) ? UNKNOWN : part));
  if (body.kind === 'alias') return { kind: 'alias', type: kept.length === 0 ? UNKNOWN : union(kept) };
  const members = kept.filter((part): part is Atom => part.kind !== 'array' && part !== UNKNOWN);
  const [only] = members;
  return members.length > 1 ? { ...body, members } : { kind: 'alias', type: only ?? UNKNOWN };
}
