"""The records that travel between the workers: Avro contracts and one columnar codec. Imports nothing of ours."""
