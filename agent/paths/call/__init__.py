"""The two-way test call: SIP dialog, SDP, RTP and tone, pure; and the shell that places it."""
