mod agents;
mod caches;
mod door;
mod groups;
mod links;
mod refusals;
