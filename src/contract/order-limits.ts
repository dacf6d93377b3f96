/** Lines of one order: what one bot can be sent for in one go. A request at these limits is a tenth of what the servers take in. */
export const maxOrderLines = 100;
/** Units of one product in one order: more is a delivery, not a purchase. */
export const maxQuantity = 1_000;
/** Characters: a name as it fits on a screen of the desk. */
export const maxShopperChars = 100;
/** Characters of why an order is cancelled: a sentence for a screen. */
export const maxCancelReasonChars = 200;
/** Characters of why money is given back: the same. */
export const maxRefundReasonChars = 200;
/** Characters of how staff know a shopper who has no code: the same. */
export const maxIdentityReasonChars = 200;
