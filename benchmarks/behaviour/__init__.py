"""What tests on behaviour are worth: their nulls, their power, and what strangers score."""
