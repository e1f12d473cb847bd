"""What features encode: shares of their variance that attributes of drawn scenes and of sentences explain."""
