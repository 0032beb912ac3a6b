"""The files that say which PromQL queries give the metrics of a service: read, checked, and what they know of each."""
