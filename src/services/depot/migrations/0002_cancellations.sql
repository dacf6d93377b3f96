ALTER TABLE "depot"."lists" ADD COLUMN "attempt" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "depot"."returns" ADD COLUMN "from_depot" boolean DEFAULT false NOT NULL;--> statement-breakpoint
-- Written by hand: the attempt that brought the goods is the one after the last whose goods were asked back.
UPDATE "depot"."lists" SET "attempt" = 1 + (SELECT coalesce(max(r."attempt"), 0) FROM "depot"."returns" r WHERE r."order_id" = "lists"."order_id")
WHERE "state" IN ('waiting_for_bay', 'completed');
