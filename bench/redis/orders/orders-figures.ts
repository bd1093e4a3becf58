/** The figures of a whole orders run hold those of each phase, under `phase:figure`. */
import type { Figures } from '../../run.js';
import type { Phase } from './workload.js';

export function figuresOfPhase(figures: Figures, phase: Phase): Figures {
  return Object.fromEntries(
    Object.entries(figures)
      .filter(([name]) => name.startsWith(`${phase}:`))
      .map(([name, value]) => [name.slice(phase.length + 1), value]),
  );
}

export function asOfPhase(figures: Figures, phase: Phase): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${phase}:${name}`, value]));
}
