"""Pure `nn.Module`s. They import nothing of ours; a new one is one file here and one YAML in configs/network/."""
