/** What a request may hold. Anything else is answered with 400 and the reason. */
import { z } from 'zod';

/** Ten billion euros: far below where a JavaScript number stops counting cents exactly. */
const CENTS_MAX = 1_000_000_000_000;

const cents = z
  .int('must be a whole number of cents, and a number, not a string')
  .positive('must be more than 0')
  .max(CENTS_MAX, `must be at most ${CENTS_MAX}`);

export const accountIdSchema = z
  .string('must be a string')
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores');

export const openSchema = z.strictObject({ id: accountIdSchema, openingCents: cents });
export const amountSchema = z.strictObject({ cents });
export const transferSchema = z.strictObject({ to: accountIdSchema, cents });

export type OpenBody = z.infer<typeof openSchema>;
export type AmountBody = z.infer<typeof amountSchema>;
export type TransferBody = z.infer<typeof transferSchema>;
