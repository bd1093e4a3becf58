/** Shopping carts whose contents outlive the process, and a page counter that is fast. Run by its test; see docs/actors.md. */
import 'reflect-metadata';
import { type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Actor,
  ActorSystem,
  AtomicQueuesModule,
  EntityType,
  JobQuery,
  On,
  QueueBus,
  QueueEntityId,
  Reply,
} from 'atomic-queues';

/** Says which cart it is for, so the bus can send it. */
@EntityType('cart')
export class AddItem extends Reply<number> {
  @QueueEntityId() readonly cartId: string;
  readonly sku: string;
  readonly count: number;

  constructor(cartId: string, sku: string, count: number) {
    super();
    this.cartId = cartId;
    this.sku = sku;
    this.count = count;
  }
}

/** Says nothing of the kind: the ActorSystem sends it, by the cart's address. */
@JobQuery()
export class CartTotal extends Reply<string> {}

@Injectable()
export class PriceList {
  private readonly cents: Readonly<Record<string, bigint>> = { tea: 450n, pot: 2_900n };

  of(sku: string): bigint {
    const cents = this.cents[sku];
    if (cents === undefined) throw new Error(`There is no price for "${sku}".`);
    return cents;
  }
}

@Actor('cart', { stateTTL: 30 * 86_400, actorIdleTimeout: 60_000 })
export class Cart {
  // The state: what the fields are after the constructor is how a new cart begins.
  private readonly items = new Map<string, number>();
  lastChange: Date | undefined;

  // A dependency: the same for all carts, and never part of their states.
  constructor(private readonly prices: PriceList) {}

  @On(AddItem)
  add({ sku, count }: AddItem): number {
    const total = (this.items.get(sku) ?? 0) + count;
    this.items.set(sku, total);
    this.lastChange = new Date();
    // It throws for a sku without a price: then the two lines above have not happened.
    this.prices.of(sku);
    return total;
  }

  @On(CartTotal)
  total(): string {
    let cents = 0n;
    for (const [sku, count] of this.items) cents += this.prices.of(sku) * BigInt(count);
    return `${this.items.size} items, ${cents} cents`;
  }
}

/** Its methods change the state and reply, nothing else: so it may say `effects: 'state'`, and many views share a commit. */
@Actor('page', { effects: 'state' })
export class Page {
  private views = 0;

  @On('view')
  view(): number {
    this.views += 1;
    return this.views;
  }
}

export async function openShop(storePath: string): Promise<INestApplicationContext> {
  @Module({
    imports: [AtomicQueuesModule.forRoot({ store: { path: storePath } })],
    providers: [Cart, Page, PriceList],
  })
  class ShopModule {}
  const shop = await NestFactory.createApplicationContext(ShopModule, { logger: ['error'] });
  shop.enableShutdownHooks();
  return shop;
}

/** A day in the shop, with a restart at noon. Returns what there is to tell. */
export async function main(storePath: string): Promise<string[]> {
  const told: string[] = [];
  let shop = await openShop(storePath);
  let bus = shop.get(QueueBus);
  told.push(`tea in the cart: ${await bus.enqueueAndWait(new AddItem('c-1', 'tea', 2))}`);
  await bus.enqueueAndWait(new AddItem('c-1', 'pot', 1));
  await bus.enqueueAndWait(new AddItem('c-1', 'sofa', 1)).catch((error: Error) => told.push(error.message));
  const views = Array.from({ length: 100 }, () => bus.enqueueAndWait<number>('page', 'view', 'home', {}));
  told.push(`the last of 100 visitors is number ${(await Promise.all(views)).at(-1) ?? 0}`);
  await shop.close();

  shop = await openShop(storePath);
  bus = shop.get(QueueBus);
  const actors = shop.get(ActorSystem);
  told.push(`after the restart: ${await actors.sendAndWait('cart', 'c-1', new CartTotal())}`);
  told.push(`the next visitor is number ${await bus.enqueueAndWait<number>('page', 'view', 'home', {})}`);
  await shop.close();
  return told;
}
