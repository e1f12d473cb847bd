"""The field on one page: every published, imported and measured number, with the interval that its n allows."""
