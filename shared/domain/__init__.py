"""What Phoenix is about, in plain Python: values, states and money, without a vendor or a clock."""
