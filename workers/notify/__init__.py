"""The notify worker: incident events become pages, and pages reach whoever is to be told."""
