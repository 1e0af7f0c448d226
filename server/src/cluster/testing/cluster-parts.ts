import { Presence } from '../../presence/presence.ts'
import { Fold } from '../fold.ts'
import { Unplaced } from '../unplaced.ts'

/** The parts of a node of a cluster. A mutation test replaces them. */
export interface ClusterParts {
  readonly Presence: typeof Presence
  readonly Fold: typeof Fold
  readonly Unplaced: typeof Unplaced
}

export const PARTS: ClusterParts = { Presence, Fold, Unplaced }
