"""The library of the four plugins between Epicor Kinetic and Mailchimp; its layers import downwards only."""
