"""The files that pass between the rooms, as types: one module per file. Imports nothing else of gitops_ml but errors."""
