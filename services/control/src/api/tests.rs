mod agents;
mod caches;
mod certificates;
mod door;
mod groups;
mod links;
mod refusals;
