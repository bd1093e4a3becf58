/** The handlers of the load: each writes its start and its end, and in between does what its message says. */

export function addHandlers({ node, plan, recorder, effects, load }) {
  const run = (payload, context, kind) => {
    const { id, entityType: type, entityId: entity, attempt } = context;
    const { call, order, loose, withdrawn } = payload;
    effects.append({ a: 'start', id, call, order, loose, withdrawn, type, entity, attempt, kind });
    if (kind === 'query') recorder.linked(call, id);
    const ended = (ok) => effects.append({ a: 'end', id, type, entity, attempt, ok });
    let result;
    try {
      result = act(payload, context);
    } catch (error) {
      ended(false);
      throw error;
    }
    if (!(result instanceof Promise)) {
      ended(true);
      return result;
    }
    return result.then(
      (value) => {
        ended(true);
        return value;
      },
      (error) => {
        ended(false);
        throw error;
      },
    );
  };

  const act = (payload, context) => {
    switch (payload.act) {
      case 'fail':
        throw new Error(`${payload.call} always fails`);
      case 'fail once':
        if (context.attempt === 1) throw new Error(`${payload.call} fails once`);
        break;
      case 'slow':
        return new Promise((resolve) => setTimeout(() => resolve({ call: payload.call }), payload.ms));
      case 'nest':
        return load.nest(payload, context, false);
      case 'nest and wait':
        return load.nest(payload, context, true);
      default:
        break;
    }
    return { call: payload.call };
  };

  for (const type of Object.keys(plan.config.entities)) {
    node.handle(type, 'ask', (payload, context) => run(payload, context, 'query'), { kind: 'query' });
    node.handle(type, 'do', (payload, context) => run(payload, context, 'command'));
  }
  node.handle(load.Note, (payload, context) => run(payload, context, 'command'));
}
