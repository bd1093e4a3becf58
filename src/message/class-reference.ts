/** A class as decorators and registries see it: something with a name and a prototype. It is never constructed here. */
export interface ClassReference<T extends object = object> {
  readonly name: string;
  readonly prototype: T;
}

export function isClass(value: unknown): value is ClassReference {
  return typeof value === 'function' && typeof value.prototype === 'object' && value.prototype !== null;
}

/** How a class is called in error messages. */
export function classLabel(cls: unknown): string {
  const name: unknown = typeof cls === 'function' ? cls.name : undefined;
  return typeof name === 'string' && name !== '' ? name : 'an anonymous class';
}
