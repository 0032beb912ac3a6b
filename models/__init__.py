"""Features, detectors, calibration, bundles and training. No Kafka and no Redis; imports only `schemas`."""
