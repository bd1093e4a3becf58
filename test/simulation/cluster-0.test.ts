import { clusterSeeds } from './cluster-seeds.js';

clusterSeeds(0);
