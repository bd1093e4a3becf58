/**
 * `Reply<R>`: how a message class says what its handler answers, so that `enqueueAndWait` returns that type. Nest's own
 * `extends Command<R>` and `extends Query<R>` say it just as well, and are read without knowing Nest.
 */

declare const REPLY: unique symbol;

/**
 * Two things under one name. As a type it is empty, so that `class X implements Reply<R>` compiles; it then documents
 * `R`, but TypeScript cannot infer it, because `implements` adds nothing to a class. As a class to extend it carries `R`:
 * `class X extends Reply<R>` lets `enqueueAndWait(new X())` return `R`.
 */
export interface Reply<_R> {}

/** The mark that a class gets by `extends Reply<R>`. It exists for the compiler only. */
export interface ReplyBrand<R> {
  readonly [REPLY]: R;
}

abstract class ReplyBase {}

export const Reply = ReplyBase as abstract new <R>() => ReplyBrand<R>;

/** Any type: what is known of a result that nobody declared. */
export type Undeclared = ReturnType<typeof JSON.parse>;

/**
 * Keys that can carry a result type: a brand is a property under a symbol of its own, ours as well as Nest's. Symbols
 * that the language gives a meaning are not brands.
 */
type BrandKey<M> = Exclude<
  Extract<keyof M, symbol>,
  | typeof Symbol.iterator
  | typeof Symbol.asyncIterator
  | typeof Symbol.toStringTag
  | typeof Symbol.toPrimitive
  | typeof Symbol.hasInstance
>;

/**
 * The result type of a message: `R` for a class that extends `Reply<R>`, or Nest's `Command<R>` or `Query<R>`; any for
 * every other one.
 */
export type ReplyOf<M> = [BrandKey<M>] extends [never] ? Undeclared : M[BrandKey<M>];

/**
 * What a wait for `M` returns when the caller may name the result: `R` if it was given, else `ReplyOf<M>`. For a
 * signature `enqueueAndWait<R = never, M extends object = object>(message: M): Promise<WaitedReply<R, M>>`, where `R` is
 * given by hand or not at all (`NoInfer` keeps it from being guessed out of what the result is assigned to).
 */
export type WaitedReply<R, M> = [R] extends [never] ? ReplyOf<M> : NoInfer<R>;
