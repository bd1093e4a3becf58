import { clusterSeeds } from './cluster-seeds.js';

clusterSeeds(3);
