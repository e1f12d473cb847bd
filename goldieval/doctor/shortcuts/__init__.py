"""What features encode: shares of their variance that background, colours, shapes and places of drawn scenes explain."""
