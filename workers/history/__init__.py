"""The history worker: incident events into SQL tables, and the questions that commands ask of them."""
