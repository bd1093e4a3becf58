/** Reading tables whose keys are names that people choose: one called `constructor` or `__proto__` is a name like any other. */
export function ownEntry<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
