"""Result records: schema, files on disk, and their reader."""
