import type { Call } from './outbound.ts';

/**
 * The bot id that this stream may speak for. Until a credential names bots, the Hello is believed; then the credential is read here
 * (`call.getAuthContext().sslPeerCertificate`) and a Hello that claims another id is UNAUTHENTICATED.
 */
export const identify = (_call: Call, claimed: string): string => claimed;
