"""Result records: their schema, their files, and the readers of a results folder."""
