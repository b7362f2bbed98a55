"""The loop, one file a stage. A stage reads params.yaml and files, and writes files; no stage knows another one."""
