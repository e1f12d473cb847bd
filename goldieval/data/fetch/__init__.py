"""Download of a source's files into its folder: complete, verified and recorded, or not at all."""
