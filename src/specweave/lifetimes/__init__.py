"""Customers as they buy: transactions, windows of time, and the models of buying until they die out."""
