"""configs/ composed by Hydra, validated into frozen typed objects, written to params.yaml."""
